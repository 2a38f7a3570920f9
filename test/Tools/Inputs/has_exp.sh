#!/bin/sh
# Exits 1, "still of interest", when the module that it is given holds an exponential.
! grep -q qnt.exp "$1"
