-- The table of the requirements document, column for column and type for type.
-- timestamp is the time by which the rows are partitioned and ordered: that of the
-- source, or that of arrival where the source's can't be right. Nothing behind the
-- store marks events as processed: whoever reads them keeps a place in the feed.
CREATE OR REPLACE VIEW security_events AS
SELECT id,
       type::varchar(100)                AS event_type,
       coalesce(data, '{}'::jsonb)       AS event_data,
       context,
       at                                AS timestamp,
       correlation::varchar(100)         AS correlation_id,
       user_id::varchar(100)             AS user_id,
       ip                                AS source_ip,
       (ARRAY['debug', 'info', 'low', 'medium', 'high', 'critical'])[severity + 1]::varchar(20) AS severity,
       false                             AS processed,
       received                          AS created_at
FROM {p}events;
