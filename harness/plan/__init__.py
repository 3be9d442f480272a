"""From a selection of methods and data to the cells that are to be run."""
