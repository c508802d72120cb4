"""The main job from end to end on embedded defaults: roster, badges, doors, portal, report.

Floor 4 of the house, like the commands modules: it plays every part itself and is imported by nobody.
"""
