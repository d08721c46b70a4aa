"""Moving here from elsewhere: reads an account of Twilio's, or of another byoc-proxy, through its REST API."""
