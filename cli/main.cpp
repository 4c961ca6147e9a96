#include "program.h"

int main(int count, char** arguments) { return monge::cli::run_program(count, arguments); }
