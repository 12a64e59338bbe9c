"""The front door as far as it has to ask: the keys of the login service, and the signatures made with them."""
