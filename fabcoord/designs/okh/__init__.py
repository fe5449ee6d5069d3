"""Open Know-How: manifests and bundles in and out, and what is wrong with them."""
