"""How each family of models wants to be loaded, asked and read; `catalog.py` lists them."""
