"""The employee ID: the PIV card application (NIST SP 800-73-5 parts 1 and 2, SP 800-78-5)."""
