"""`viatica rehearse`: one report's whole life through the real doors, and proof that every promise held."""
