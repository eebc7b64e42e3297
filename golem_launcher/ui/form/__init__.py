"""The form: a request's fields, presets, uploads, current offers and the estimated cost."""
