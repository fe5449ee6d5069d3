"""What prints mean to the lab's books: accounts, wallets, charges."""
