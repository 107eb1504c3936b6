"""Calls to web APIs that limit their callers: a model of them, random ones, and what amorsize reaches."""
