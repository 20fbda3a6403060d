"""The book: pages from executed notebooks, the ledger's layouts, and the built site."""
