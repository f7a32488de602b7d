"""Reproduction of ConTrans: a concept's direction is carried from one model into another."""
