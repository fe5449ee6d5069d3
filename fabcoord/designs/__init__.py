"""The commons in this lab: library, revisions, lineage, licences, mesh check and previews."""
