"""Whole calls on virtual time and an in-memory network, for tests and for `byoc-proxy sim`.

`virtual`, `network`, `wire`, `zone`, `words`, `tasks`, `leftovers`   shared with the tests
`world`        one world: a node, everything around it, its course and its end
`draw`, `installation`, `application`, `resolver`, `hostile`   what it is made of
`party`, `caller`, `gateway`, `peer`, `repeater`, `manners`    the far ends
`watch`, `rules`   what is held to
`campaign`, `trace`, `log`   many worlds, and what is told of one
"""
