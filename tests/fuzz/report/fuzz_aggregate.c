/* Archives and XML of aggregate reports, as strangers send them. */
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "report/aggregate.h"
#include "report/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct str *text, size_t most)
{
	if (text->len > most || view_has_control(str_view(text)))
		abort();
}

static int read_xml(void *unused, struct view xml)
{
	struct aggregate_report report;

	(void)unused;
	if (xml.len > ARCHIVE_TEXT_MAX)
		abort();
	if (aggregate_read(xml, &report, NULL) == 0 && report.id.len == 0)
		abort();
	check_text(&report.domain, AGGREGATE_TEXT_MAX);
	for (size_t i = 0; i < report.count; i++) {
		check_text(&report.rows[i].header_from, AGGREGATE_TEXT_MAX);
		if (report.rows[i].results.len > AGGREGATE_RESULTS_MAX)
			abort();
	}
	aggregate_report_free(&report);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)archive_read(view_make(data, size), read_xml, NULL, NULL);
	return 0;
}
