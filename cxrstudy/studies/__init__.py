"""One module or folder for each notebook, of the same name: the only code that knows a paper or a claim."""
