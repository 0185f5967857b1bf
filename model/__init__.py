"""What is checked: the modelling language, the kernel's parts, the designs, the mutants."""
