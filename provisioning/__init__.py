"""From an HR roster to working badges: roster, orders, plan and apply, ledger, company CA."""
