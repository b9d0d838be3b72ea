"""biassay."""
