/* Copies of two and three dimensions, between homes (tests/fuzz/memcpy_box.c says what holds).
 */
#include "fed.h"

#include <criterion/criterion.h>

Test(boxes, arrive_byte_by_byte_whatever_their_shape_and_the_homes_they_cross)
{
	fed(1, 60000, 32);
}
