"""The modelling language: routines become steps, steps become a state machine."""
