"""The commands of the command line, by what they are for; `byoc_proxy.__main__` lists them."""
