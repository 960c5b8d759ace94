/* What a driver must have for anything to be paged. */
#include "driver/driver.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* One that has every function; none is called. */
static void has_all(void)
{
	memset(&lt_driver, 0xff, sizeof(lt_driver));
}

TestSuite(driver_table, .init = has_all);

/* `function`: a pointer of lt_driver. */
static bool can_page_without(void *function)
{
	has_all();
	memset(function, 0, sizeof(lt_driver.cuMemCreate));
	return driver_can_page();
}

Test(driver_table, a_driver_that_has_everything_can_page)
{
	cr_assert(driver_can_page());
}

Test(driver_table, one_that_lacks_what_paging_needs_cannot)
{
	cr_expect(not(can_page_without(&lt_driver.cuMemCreate)), "hooked");
	cr_expect(not(can_page_without(&lt_driver.cuMemSetAccess)), "only called");
	cr_expect(not(can_page_without(&lt_driver.cuMemcpyDtoHAsync_v2)));
	cr_expect(not(can_page_without(&lt_driver.cuMemHostAlloc)));
	cr_expect(not(can_page_without(&lt_driver.cuLaunchKernel)));
	cr_expect(not(can_page_without(&lt_driver.cuCtxSynchronize)));
}

Test(driver_table, one_that_lacks_what_paging_does_without_can)
{
	cr_expect(can_page_without(&lt_driver.cuGraphInstantiateWithParams), "hooked");
	cr_expect(can_page_without(&lt_driver.cuFuncGetParamInfo), "only called");
	cr_expect(can_page_without(&lt_driver.cuMemAllocAsync));
	cr_expect(can_page_without(&lt_driver.cuCtxSynchronize_v2));
}
