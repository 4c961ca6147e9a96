"""The papers' applications: one module, one page and one figure each (docs/gallery)."""
