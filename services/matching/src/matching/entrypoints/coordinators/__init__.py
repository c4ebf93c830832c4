"""What coordinators use: the API, the page, and the desk behind both."""
