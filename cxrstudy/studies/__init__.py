"""One module or folder for each notebook, of its name; nothing else knows a claim."""
