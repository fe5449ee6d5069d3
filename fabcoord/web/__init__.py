"""Pages for people: kiosk, members, staff."""
