"""One file for each kind of credential, and the store of the tokens they give."""
