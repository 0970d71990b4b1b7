"""How Safelight Mini, the embedded illustrator, is made: data, two nets, and their export."""
