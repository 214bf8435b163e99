/* weir-coordinator: runs the service that drives sagas. */
#include "coordinator/coordinator.h"

int main(int argc, char **argv)
{
    return weir_main(weir_coordinator_new(), argc, argv);
}
