"""COVIDNet: the network, its training and its measurement, as a library and a command line."""
