// qcc: wires the compiler into the command line.
#include "qcc/Cli/Commands.h"
#include "qcc/Driver/Backend.h"

int main(int argc, char **argv) { return qcc::cliMain(argc, argv, qcc::makeBackend()); }
