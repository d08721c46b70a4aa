"""byoc-proxy: BYOC trunking for programmable voice.

`sip/`      the protocol, pure: bytes and `now` in, bytes and events out
`net/`      sockets, DNS and the one timer that drive it
`trunk/`    who may come in and where a call may go, as pure functions over one snapshot
`twiml/`    the script language
`webhook/`  the customer's HTTP
`storage/`  the record of every call
`call/`     the B2BUA: two doors, one corridor
`app.py`    the one place where everything is put together; `commands/` and `__main__.py` the command line
"""

__version__ = "0.1.0"
