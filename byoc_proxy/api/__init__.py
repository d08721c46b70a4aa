"""FLOOR 5  the REST API: what an application or an operator manages a node with, by the names of Twilio's."""
