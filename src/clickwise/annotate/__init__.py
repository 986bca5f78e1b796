"""The annotator: projects of pictures, the objects on them, and a history that loses nothing.

`document` is what is on a picture, `actions` what a user can do to it, `history` how that is done, undone and redone,
`store` the database in which every event is written before it counts as done. No torch and no web library in these.
"""
