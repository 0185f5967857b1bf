"""The modelling language: mistakes, semantics, and agreement with the engines."""
