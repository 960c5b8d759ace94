/* Any events for any policy (tests/fuzz/policy.c says what holds). */
#include "fed.h"

#include <criterion/criterion.h>

Test(policies, keep_their_promises_whatever_happens)
{
	fed(4, 150, 1500);
}
