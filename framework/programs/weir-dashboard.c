/* weir-dashboard: shows a weir system in a browser. */
#include "dashboard/dashboard.h"

int main(int argc, char **argv)
{
    return weir_dashboard_main(argc, argv);
}
