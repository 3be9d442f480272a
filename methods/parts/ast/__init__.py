"""Building blocks of AST alone."""
