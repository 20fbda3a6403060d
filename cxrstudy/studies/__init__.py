"""One module or folder for each notebook, of the same name; nothing else knows a claim."""
