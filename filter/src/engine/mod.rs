//! What is done with a program: checked, run, translated to machine code, printed.
