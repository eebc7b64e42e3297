"""``%sync``: a folder of this computer and the same one at the provider, kept equal in both directions.

What is there is read from the generations that the session saves; what is here is sent by the Jupyter over there. Both
are compared with what was equal last (:mod:`merge`), so that a change, a deletion and a conflict are told apart.
"""
