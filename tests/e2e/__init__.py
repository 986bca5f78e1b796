"""What users do with the annotator: the real server in its own process, the real page in a real Chromium.

A package, unlike the folders beside it: `package`-scoped fixtures end when its last test does, and Playwright, which
occupies the thread's event loop while it lives, with them.
"""
