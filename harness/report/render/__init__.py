"""Tables as text, HTML and LaTeX."""
