"""Events of `registrations` turned into decisions of the domain, and those into outgoing events, over ports."""
