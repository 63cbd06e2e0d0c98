/* SPDX-License-Identifier: Apache-2.0 */
/** @file usage_json.h @brief What was counted, as JSON. */
#ifndef WA_USAGE_JSON_H
#define WA_USAGE_JSON_H

#include "../base/wa_json.h"
#include "../core/wa_usage_report.h"

/** {api_requests, messages_sent, …} */
json_t *wa_api_counts_json(const wa_counts *counts);

/** The same with "day" or "hour" first. */
json_t *wa_api_span_json(const wa_usage_span *span);

#endif
