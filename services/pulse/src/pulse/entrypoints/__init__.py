"""Where events come in and figures go out: the Faust agent, HTTP, Prometheus."""
