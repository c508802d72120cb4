"""Readers, signatures and the services that stand between cards and portals."""
