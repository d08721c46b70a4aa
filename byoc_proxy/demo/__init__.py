"""One call between two carriers of our own, for people who want to see it.

`places.py`       addresses on loopback, and the configuration of the proxy
`carrier.py`      the two carriers: user agents on the package's own protocol floor
`names.py`        a DNS server with one name that has two addresses
`application.py`  the customer's voice application
`ladder.py`       what is printed while the call happens
`verdict.py`      what must be true of it afterwards
`play.py`         puts them together and places the call
"""
