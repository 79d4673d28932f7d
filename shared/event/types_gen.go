// Code generated from catalogue.csv by shared/event/gen; DO NOT EDIT.

package event

// The event types of the catalogue.
const (
	TypeAccessDenied            = "access.denied"
	TypeAccountChange           = "account.change"
	TypeAgentAccepting          = "agent.accepting"
	TypeAgentApproved           = "agent.approved"
	TypeAgentEnrolled           = "agent.enrolled"
	TypeAgentIdentityChanged    = "agent.identity_changed"
	TypeAgentOffline            = "agent.offline"
	TypeAgentOnline             = "agent.online"
	TypeAgentPending            = "agent.pending"
	TypeAgentRefused            = "agent.refused"
	TypeAgentRefusing           = "agent.refusing"
	TypeAgentRenewed            = "agent.renewed"
	TypeAgentReplaced           = "agent.replaced"
	TypeAgentRevoked            = "agent.revoked"
	TypeAgentTamper             = "agent.tamper"
	TypeAgentUpdated            = "agent.updated"
	TypeAlarmAcknowledged       = "alarm.acknowledged"
	TypeAlarmFlood              = "alarm.flood"
	TypeAlarmSettingsChange     = "alarm.settings_change"
	TypeAlarmShelved            = "alarm.shelved"
	TypeAlarmState              = "alarm.state"
	TypeAlertClosed             = "alert.closed"
	TypeAlertRaised             = "alert.raised"
	TypeAlertUpdated            = "alert.updated"
	TypeAnomalyBudget           = "anomaly.budget"
	TypeAnomalyDetected         = "anomaly.detected"
	TypeAnomalyGroup            = "anomaly.group"
	TypeApiPosted               = "api.posted"
	TypeArchiveWritten          = "archive.written"
	TypeAssetChange             = "asset.change"
	TypeAuditAccessed           = "audit.accessed"
	TypeAuditCheckpoint         = "audit.checkpoint"
	TypeAuditConfigChange       = "audit.config_change"
	TypeAuditFailure            = "audit.failure"
	TypeAuditGap                = "audit.gap"
	TypeAuditStarted            = "audit.started"
	TypeAuditStopped            = "audit.stopped"
	TypeAuditStorageWarning     = "audit.storage_warning"
	TypeAuditVerified           = "audit.verified"
	TypeBackupCompleted         = "backup.completed"
	TypeBackupFailed            = "backup.failed"
	TypeBatchEvent              = "batch.event"
	TypeBreachDeclared          = "breach.declared"
	TypeBrokerDenied            = "broker.denied"
	TypeBrokerSession           = "broker.session"
	TypeCertificateExpiring     = "certificate.expiring"
	TypeCertificateInvalid      = "certificate.invalid"
	TypeChannelInsecure         = "channel.insecure"
	TypeCommLost                = "comm.lost"
	TypeCommRestored            = "comm.restored"
	TypeCommandIssued           = "command.issued"
	TypeComplianceAction        = "compliance.action"
	TypeComplianceCheck         = "compliance.check"
	TypeComplianceException     = "compliance.exception"
	TypeConfigChange            = "config.change"
	TypeConfigDeviation         = "config.deviation"
	TypeConsentChange           = "consent.change"
	TypeCorrelationMatched      = "correlation.matched"
	TypeCredentialChange        = "credential.change"
	TypeCredentialDefaultUsed   = "credential.default_used"
	TypeDataAccess              = "data.access"
	TypeDataDeleted             = "data.deleted"
	TypeDataExported            = "data.exported"
	TypeDataIntegrityFailure    = "data.integrity_failure"
	TypeDataModified            = "data.modified"
	TypeDataTransfer            = "data.transfer"
	TypeDebugTrace              = "debug.trace"
	TypeEncryptionEvent         = "encryption.event"
	TypeEquipmentFault          = "equipment.fault"
	TypeEquipmentHealth         = "equipment.health"
	TypeEquipmentStatus         = "equipment.status"
	TypeEventDuplicateId        = "event.duplicate_id"
	TypeEvidenceImported        = "evidence.imported"
	TypeFileIntegrity           = "file.integrity"
	TypeFirmwareChange          = "firmware.change"
	TypeForwardFailed           = "forward.failed"
	TypeHostPower               = "host.power"
	TypeIncidentClosed          = "incident.closed"
	TypeIncidentContained       = "incident.contained"
	TypeIncidentDeclared        = "incident.declared"
	TypeIncidentEradicated      = "incident.eradicated"
	TypeIncidentEscalated       = "incident.escalated"
	TypeIncidentEvidence        = "incident.evidence"
	TypeIncidentRecovered       = "incident.recovered"
	TypeIncidentRecoveryStarted = "incident.recovery_started"
	TypeIncidentReported        = "incident.reported"
	TypeIncidentUpdated         = "incident.updated"
	TypeIngestQuarantined       = "ingest.quarantined"
	TypeIngestRejected          = "ingest.rejected"
	TypeIntegrationExchange     = "integration.exchange"
	TypeIntelImported           = "intel.imported"
	TypeIpBlocked               = "ip.blocked"
	TypeIpReputation            = "ip.reputation"
	TypeIpUnblocked             = "ip.unblocked"
	TypeKeyCosigner             = "key.cosigner"
	TypeKeyLifecycle            = "key.lifecycle"
	TypeLogCleared              = "log.cleared"
	TypeLogClosed               = "log.closed"
	TypeLogForked               = "log.forked"
	TypeLogHeartbeat            = "log.heartbeat"
	TypeLogKey                  = "log.key"
	TypeLogOpened               = "log.opened"
	TypeLogRegistered           = "log.registered"
	TypeLogRestored             = "log.restored"
	TypeLogRoots                = "log.roots"
	TypeLogSucceeded            = "log.succeeded"
	TypeMaintenanceDue          = "maintenance.due"
	TypeMaintenanceEvent        = "maintenance.event"
	TypeMaintenanceLockout      = "maintenance.lockout"
	TypeMaterialFlow            = "material.flow"
	TypeNetworkAnomaly          = "network.anomaly"
	TypeNetworkConnection       = "network.connection"
	TypeNetworkZoneViolation    = "network.zone_violation"
	TypeNotificationSent        = "notification.sent"
	TypeParameterChange         = "parameter.change"
	TypePerformanceDegraded     = "performance.degraded"
	TypePerformanceMetric       = "performance.metric"
	TypePermissionChange        = "permission.change"
	TypePermissionElevated      = "permission.elevated"
	TypePhysicalAccess          = "physical.access"
	TypePolicyChange            = "policy.change"
	TypePrivacyFulfilled        = "privacy.fulfilled"
	TypePrivacyReidentified     = "privacy.reidentified"
	TypePrivacyRequest          = "privacy.request"
	TypeProcessChange           = "process.change"
	TypeProcessStarted          = "process.started"
	TypeProcessingRecord        = "processing.record"
	TypeProgramDownload         = "program.download"
	TypeProgramUpload           = "program.upload"
	TypeQualityCheck            = "quality.check"
	TypeQualityOverride         = "quality.override"
	TypeQualityTrend            = "quality.trend"
	TypeRecipeChange            = "recipe.change"
	TypeRemoteSession           = "remote.session"
	TypeRemovableMediaConnected = "removable_media.connected"
	TypeRequestError            = "request.error"
	TypeResponseAction          = "response.action"
	TypeRestorePerformed        = "restore.performed"
	TypeRetentionPurged         = "retention.purged"
	TypeRiskAssessed            = "risk.assessed"
	TypeSafetyOverride          = "safety.override"
	TypeScheduledTaskChange     = "scheduled_task.change"
	TypeSecurityInjection       = "security.injection"
	TypeSecurityMalware         = "security.malware"
	TypeSecurityRecon           = "security.recon"
	TypeSecurityTest            = "security.test"
	TypeSecurityViolation       = "security.violation"
	TypeServiceState            = "service.state"
	TypeSessionAnomaly          = "session.anomaly"
	TypeSessionConcurrent       = "session.concurrent"
	TypeSessionStarted          = "session.started"
	TypeSessionTerminated       = "session.terminated"
	TypeSessionTimeout          = "session.timeout"
	TypeSignalCounterReset      = "signal.counter_reset"
	TypeSignalCurve             = "signal.curve"
	TypeSignalForecast          = "signal.forecast"
	TypeSignalInvalid           = "signal.invalid"
	TypeSignalLearning          = "signal.learning"
	TypeSignalQuality           = "signal.quality"
	TypeSignalSummary           = "signal.summary"
	TypeSoftwareChange          = "software.change"
	TypeSourceConnected         = "source.connected"
	TypeSourceDowngraded        = "source.downgraded"
	TypeSourceDuplicateClient   = "source.duplicate_client"
	TypeSourceItemFailed        = "source.item_failed"
	TypeSourceItemRestored      = "source.item_restored"
	TypeSourceLimited           = "source.limited"
	TypeSourceRefused           = "source.refused"
	TypeSourceUntrusted         = "source.untrusted"
	TypeSpcBaseline             = "spc.baseline"
	TypeStationModeChange       = "station.mode_change"
	TypeStationOperation        = "station.operation"
	TypeStationProduction       = "station.production"
	TypeStoreRebuilt            = "store.rebuilt"
	TypeStoreRefused            = "store.refused"
	TypeSystemError             = "system.error"
	TypeTimeDrift               = "time.drift"
	TypeTokenCreated            = "token.created"
	TypeTokenRevoked            = "token.revoked"
	TypeTrainingEvent           = "training.event"
	TypeUserLockout             = "user.lockout"
	TypeUserLogin               = "user.login"
	TypeUserLogout              = "user.logout"
	TypeVulnerabilityFound      = "vulnerability.found"
	TypeWirelessDevice          = "wireless.device"
)

// catalogue is the table of all types by name; nothing ever changes it.
var catalogue = [...]TypeInfo{
	{Name: TypeAccessDenied, Class: Security, Severity: SeverityLow, Category: "auth", Required: []string{"userId", "resource", "action", "reason"}, Row: true, RequiredType: true, CSF: []string{"PR.AA-05", "DE.CM-03"}, IEC62443: []string{"SR 2.1", "SR 2.8"}, SR28: "AC", Attack: []string{"T0859"}, OCSFClass: 6003, OCSFActivity: 2, PII: 2, Note: "OCSF status Failure, Security Control profile Denied"},
	{Name: TypeAccountChange, Class: Security, Severity: SeverityLow, Category: "auth", Required: []string{"targetUser", "action", "by", "before", "after"}, Row: true, CSF: []string{"PR.AA-01"}, IEC62443: []string{"SR 1.3", "SR 1.4"}, SR28: "AC", Attack: []string{"T0859"}, OCSFClass: 3001, OCSFActivity: 1, PII: 2, Note: "create, enable, disable, delete; OCSF 1.9: 3007"},
	{Name: TypeAgentAccepting, Class: Security, Severity: SeverityInfo, Category: "agent", Required: []string{"class", "refused", "from", "to"}, Row: true, CSF: []string{"PR.PS-04"}, IEC62443: []string{"SR 2.9", "SR 2.10"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "the class is recorded again; refused = number of events counted, not kept"},
	{Name: TypeAgentApproved, Class: Security, Severity: SeverityLow, Category: "agent", Required: []string{"agentId", "station", "by"}, Row: true, CSF: []string{"PR.AA-01"}, IEC62443: []string{"SR 1.2"}, SR28: "AC", OCSFClass: 3004, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeAgentEnrolled, Class: Security, Severity: SeverityLow, Category: "agent", Required: []string{"agentId", "station", "publicKey", "by"}, Row: true, CSF: []string{"PR.AA-01", "ID.AM-01"}, IEC62443: []string{"SR 1.2", "SR 1.8"}, SR28: "AC", OCSFClass: 3004, OCSFActivity: 6, PII: 1, Note: ""},
	{Name: TypeAgentIdentityChanged, Class: Security, Severity: SeverityHigh, Category: "agent", Required: []string{"agentId", "predecessor", "facts"}, Row: true, CSF: []string{"PR.AA-03", "DE.CM-09"}, IEC62443: []string{"SR 1.2", "SR 3.4"}, SR28: "AC", Attack: []string{"T0848"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "the machine is not the one that was enrolled (clone, copied folder, new board): a new identity records on"},
	{Name: TypeAgentOffline, Class: Security, Severity: SeverityMedium, Category: "agent", Required: []string{"agentId", "lastSeen", "lastSeq"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 6.2", "SR 2.10"}, SR28: "AL", Attack: []string{"T0804", "T0881"}, OCSFClass: 6002, OCSFActivity: 4, PII: 0, Note: ""},
	{Name: TypeAgentOnline, Class: Performance, Severity: SeverityInfo, Category: "agent", Required: []string{"agentId", "version", "backlog"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 6.2"}, SR28: "AL", OCSFClass: 6002, OCSFActivity: 3, PII: 0, Note: ""},
	{Name: TypeAgentPending, Class: Security, Severity: SeverityMedium, Category: "agent", Required: []string{"agentId", "station", "reason"}, Row: true, CSF: []string{"PR.AA-01", "ID.AM-01"}, IEC62443: []string{"SR 1.2"}, SR28: "AC", Attack: []string{"T0848"}, OCSFClass: 3004, OCSFActivity: 99, PII: 0, Note: "an enrolment waits for a person"},
	{Name: TypeAgentRefused, Class: Security, Severity: SeverityMedium, Category: "agent", Required: []string{"origin", "station", "reason"}, Row: true, CSF: []string{"PR.AA-01", "DE.CM-01"}, IEC62443: []string{"SR 1.2", "SR 1.13"}, SR28: "AC", Attack: []string{"T0848"}, OCSFClass: 3004, OCSFActivity: 99, PII: 0, Note: "enrolment refused: token unknown, used up, expired or out of scope"},
	{Name: TypeAgentRefusing, Class: Security, Severity: SeverityHigh, Category: "agent", Required: []string{"class", "usedPct"}, Row: true, CSF: []string{"PR.PS-04", "PR.IR-04"}, IEC62443: []string{"SR 2.9", "SR 2.10"}, SR28: "AL", Attack: []string{"T0804", "T0814"}, OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "journal quota: a class is refused and counted from here on"},
	{Name: TypeAgentRenewed, Class: Security, Severity: SeverityInfo, Category: "agent", Required: []string{"agentId", "notAfter"}, Row: true, CSF: []string{"PR.AA-01"}, IEC62443: []string{"SR 1.8"}, SR28: "AC", OCSFClass: 3004, OCSFActivity: 99, PII: 0, Note: "certificate renewed; expired = true says that the old one was past its end"},
	{Name: TypeAgentReplaced, Class: Security, Severity: SeverityMedium, Category: "agent", Required: []string{"agentId", "predecessor", "by"}, Row: true, CSF: []string{"PR.AA-01", "ID.AM-08"}, IEC62443: []string{"SR 1.2"}, SR28: "AC", OCSFClass: 3004, OCSFActivity: 99, PII: 1, Note: "a new agent takes the place of another one"},
	{Name: TypeAgentRevoked, Class: Security, Severity: SeverityMedium, Category: "agent", Required: []string{"agentId", "keyId", "by", "reason"}, Row: true, CSF: []string{"PR.AA-01", "RS.MI-01"}, IEC62443: []string{"SR 1.2", "SR 1.8"}, SR28: "AC", OCSFClass: 3004, OCSFActivity: 7, PII: 1, Note: ""},
	{Name: TypeAgentTamper, Class: Security, Severity: SeverityCritical, Category: "agent", Required: []string{"agentId", "what", "evidence"}, Row: true, CSF: []string{"DE.CM-09", "PR.DS-01"}, IEC62443: []string{"SR 3.4", "SR 3.9"}, SR28: "AL", Attack: []string{"T0872", "T0881"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: ""},
	{Name: TypeAgentUpdated, Class: Security, Severity: SeverityLow, Category: "agent", Required: []string{"agentId", "oldVersion", "newVersion", "signedBy", "result"}, Row: true, CSF: []string{"PR.PS-02"}, IEC62443: []string{"SR 3.4"}, SR28: "CC", Attack: []string{"T0862"}, OCSFClass: 6002, OCSFActivity: 8, PII: 0, Note: "rejected updates are high; CR 3.10"},
	{Name: TypeAlarmAcknowledged, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"source", "conditionId", "by", "comment", "latencyMs"}, Row: true, CSF: []string{"DE.CM-03", "RS.MA-02"}, IEC62443: []string{"SR 2.12"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeAlarmFlood, Class: Manufacturing, Severity: SeverityHigh, Category: "manufacturing", Required: []string{"scope", "count", "window", "topSources"}, Row: true, CSF: []string{"DE.AE-02", "DE.CM-09"}, IEC62443: []string{"SR 6.2", "SR 7.1"}, SR28: "CS", Attack: []string{"T0815", "T0814"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "derived, ISA-18.2 metric"},
	{Name: TypeAlarmSettingsChange, Class: Security, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"source", "setting", "old", "new", "by"}, Row: true, CSF: []string{"PR.PS-01"}, IEC62443: []string{"SR 7.6", "SR 3.4"}, SR28: "CC", Attack: []string{"T0838"}, OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeAlarmShelved, Class: Security, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"source", "conditionId", "by", "until", "reason"}, Row: true, CSF: []string{"DE.CM-03"}, IEC62443: []string{"SR 2.12", "SR 6.2"}, SR28: "CS", Attack: []string{"T0878"}, OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "shelve, suppress, out of service"},
	{Name: TypeAlarmState, Class: Manufacturing, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"source", "condition", "state", "severity", "conditionId"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", Attack: []string{"T0815"}, OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "OPC UA A&C active, cleared; severity 1..1000 kept"},
	{Name: TypeAlertClosed, Class: Security, Severity: SeverityInfo, Category: "response", Required: []string{"alertId", "verdict", "by", "comment"}, Row: true, CSF: []string{"RS.MA-02"}, IEC62443: []string{"SR 6.1"}, SR28: "AL", OCSFClass: 2004, OCSFActivity: 3, PII: 1, Note: ""},
	{Name: TypeAlertRaised, Class: Security, Severity: SeverityMedium, Category: "response", Required: []string{"alertId", "rule", "severity", "events", "owner"}, Row: true, CSF: []string{"DE.AE-06"}, IEC62443: []string{"SR 6.2"}, SR28: "AL", OCSFClass: 2004, OCSFActivity: 1, PII: 1, Note: ""},
	{Name: TypeAlertUpdated, Class: Security, Severity: SeverityInfo, Category: "response", Required: []string{"alertId", "state", "by", "comment"}, Row: true, CSF: []string{"RS.MA-02", "DE.AE-06"}, IEC62443: []string{"SR 6.1"}, SR28: "AL", OCSFClass: 2004, OCSFActivity: 2, PII: 1, Note: "acknowledged, assigned, suppressed, reopened"},
	{Name: TypeAnomalyBudget, Class: Manufacturing, Severity: SeverityInfo, Category: "response", Required: []string{"stationId", "previous", "threshold"}, Row: true, CSF: []string{"DE.AE-02"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "the threshold for alerts from novelty was moved to keep the budget of a shift, or moved back"},
	{Name: TypeAnomalyDetected, Class: Security, Severity: SeverityInfo, Category: "response", Required: []string{"detector", "metric", "value", "expected", "score", "window"}, Row: true, CSF: []string{"DE.AE-02"}, IEC62443: []string{"SR 6.2"}, SR28: "AC", Attack: []string{"T0831", "T0836", "T0806"}, OCSFClass: 2004, OCSFActivity: 1, PII: 1, Note: "class manufacturing when the metric is a process value"},
	{Name: TypeAnomalyGroup, Class: Manufacturing, Severity: SeverityLow, Category: "response", Required: []string{"stationId", "signals", "parts", "alert"}, Row: true, CSF: []string{"DE.AE-02", "DE.AE-03"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", Attack: []string{"T0831", "T0836"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "several signals of one station were unusual within seconds, or one for long: one event with its parts, strongest first; alert says whether people are called"},
	{Name: TypeApiPosted, Class: Security, Severity: SeverityInfo, Category: "identity", Required: []string{"userId", "count"}, Row: true, CSF: []string{"DE.CM-03"}, IEC62443: []string{"SR 2.8", "SR 3.1"}, SR28: "AL", OCSFClass: 6003, OCSFActivity: 1, PII: 2, Note: "events handed in by a program over the API"},
	{Name: TypeArchiveWritten, Class: Security, Severity: SeverityInfo, Category: "data", Required: []string{"class", "from", "to", "count", "file", "sha256"}, Row: true, CSF: []string{"PR.DS-11"}, IEC62443: []string{"SR 2.9", "SR 3.9"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 4, PII: 0, Note: ""},
	{Name: TypeAssetChange, Class: Security, Severity: SeverityLow, Category: "asset", Required: []string{"assetId", "action", "kind", "zone", "before", "after"}, Row: true, CSF: []string{"ID.AM-01", "ID.AM-08", "DE.CM-01"}, IEC62443: []string{"SR 7.8"}, SR28: "CC", Attack: []string{"T0848", "T0864"}, OCSFClass: 5001, OCSFActivity: 1, PII: 0, Note: "new device raises to medium"},
	{Name: TypeAuditAccessed, Class: Security, Severity: SeverityInfo, Category: "audit", Required: []string{"userId", "query", "records", "purpose"}, Row: true, CSF: []string{"DE.CM-03", "PR.AA-05"}, IEC62443: []string{"SR 6.1", "SR 3.9"}, SR28: "AL", OCSFClass: 6005, OCSFActivity: 4, PII: 2, Note: "who looked at what"},
	{Name: TypeAuditCheckpoint, Class: Security, Severity: SeverityInfo, Category: "audit", Required: []string{"log", "size", "root", "witnesses", "timestampToken"}, Row: true, CSF: []string{"RS.AN-07"}, IEC62443: []string{"SR 3.9", "SR 2.11", "SR 2.12"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: ""},
	{Name: TypeAuditConfigChange, Class: Security, Severity: SeverityHigh, Category: "audit", Required: []string{"component", "what", "old", "new", "by"}, Row: true, CSF: []string{"PR.PS-04", "PR.PS-01"}, IEC62443: []string{"SR 2.8", "SR 3.9"}, SR28: "AL", Attack: []string{"T0872"}, OCSFClass: 1008, OCSFActivity: 99, PII: 1, Note: "what is recorded was changed"},
	{Name: TypeAuditFailure, Class: Security, Severity: SeverityCritical, Category: "audit", Required: []string{"component", "kind", "lost", "error"}, Row: true, CSF: []string{"PR.PS-04", "DE.CM-09"}, IEC62443: []string{"SR 2.10"}, SR28: "AL", Attack: []string{"T0804"}, OCSFClass: 6008, OCSFActivity: 1, PII: 0, Note: ""},
	{Name: TypeAuditGap, Class: Security, Severity: SeverityCritical, Category: "audit", Required: []string{"source", "cause", "from", "to"}, Row: true, CSF: []string{"PR.PS-04", "RS.AN-07"}, IEC62443: []string{"SR 3.9", "SR 2.10"}, SR28: "AL", Attack: []string{"T0872", "T0804"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "sequence hole, chain break, damaged buffer"},
	{Name: TypeAuditStarted, Class: Security, Severity: SeverityInfo, Category: "audit", Required: []string{"component", "version", "lastSeq"}, Row: true, CSF: []string{"PR.PS-04"}, IEC62443: []string{"SR 2.8", "SR 2.10"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 6, PII: 0, Note: ""},
	{Name: TypeAuditStopped, Class: Security, Severity: SeverityHigh, Category: "audit", Required: []string{"component", "by", "reason"}, Row: true, CSF: []string{"PR.PS-04"}, IEC62443: []string{"SR 2.8", "SR 2.10"}, SR28: "AL", Attack: []string{"T0881", "T0872"}, OCSFClass: 1008, OCSFActivity: 7, PII: 1, Note: ""},
	{Name: TypeAuditStorageWarning, Class: Security, Severity: SeverityMedium, Category: "audit", Required: []string{"component", "usedPct", "limitPct", "hoursLeft"}, Row: true, CSF: []string{"PR.IR-04", "PR.PS-04"}, IEC62443: []string{"SR 2.9"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "SR 2.9 RE 1"},
	{Name: TypeAuditVerified, Class: Security, Severity: SeverityInfo, Category: "audit", Required: []string{"scope", "fromSeq", "toSeq", "root", "result", "verifier"}, Row: true, CSF: []string{"RS.AN-07", "PR.PS-04"}, IEC62443: []string{"SR 3.9", "SR 3.3"}, SR28: "AL", OCSFClass: 2003, OCSFActivity: 1, PII: 0, Note: ""},
	{Name: TypeBackupCompleted, Class: Security, Severity: SeverityInfo, Category: "data", Required: []string{"scope", "target", "bytes", "sha256", "result"}, Row: true, CSF: []string{"PR.DS-11"}, IEC62443: []string{"SR 7.3"}, SR28: "BR", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: ""},
	{Name: TypeBackupFailed, Class: Security, Severity: SeverityHigh, Category: "data", Required: []string{"scope", "target", "error"}, Row: true, CSF: []string{"PR.DS-11"}, IEC62443: []string{"SR 7.3"}, SR28: "BR", OCSFClass: 6008, OCSFActivity: 1, PII: 0, Note: ""},
	{Name: TypeBatchEvent, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"batchId", "phase", "by"}, Row: true, CSF: []string{"PR.DS-01"}, IEC62443: []string{"SR 2.12"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "start, hold, release, reject"},
	{Name: TypeBreachDeclared, Class: Security, Severity: SeverityCritical, Category: "compliance", Required: []string{"incidentId", "dataSubjects", "categories", "awareAt", "dueBy"}, Row: true, CSF: []string{"RS.CO-02", "DE.AE-08"}, IEC62443: []string{"SR 6.2"}, SR28: "AL", Attack: []string{"T0882"}, OCSFClass: 2005, OCSFActivity: 1, PII: 1, Note: "GDPR 33, 34; 72 h clock"},
	{Name: TypeBrokerDenied, Class: Security, Severity: SeverityMedium, Category: "network", Required: []string{"clientId", "topic", "action"}, Row: true, CSF: []string{"PR.AA-05", "DE.CM-01"}, IEC62443: []string{"SR 2.1", "SR 1.2"}, SR28: "AC", Attack: []string{"T0855", "T0856"}, OCSFClass: 4001, OCSFActivity: 5, PII: 1, Note: "unauthorised publish or subscribe"},
	{Name: TypeBrokerSession, Class: Security, Severity: SeverityInfo, Category: "network", Required: []string{"clientId", "user", "action", "reason", "willFired"}, Row: true, CSF: []string{"DE.CM-01", "PR.AA-03"}, IEC62443: []string{"SR 1.2"}, SR28: "AC", Attack: []string{"T0848"}, OCSFClass: 4001, OCSFActivity: 1, PII: 1, Note: "MQTT connect, disconnect, last will"},
	{Name: TypeCertificateExpiring, Class: Security, Severity: SeverityLow, Category: "data", Required: []string{"subject", "notAfter", "owner"}, Row: true, CSF: []string{"PR.AA-01"}, IEC62443: []string{"SR 1.8"}, SR28: "OS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: ""},
	{Name: TypeCertificateInvalid, Class: Security, Severity: SeverityMedium, Category: "data", Required: []string{"peer", "subject", "reason", "thumbprint"}, Row: true, CSF: []string{"PR.AA-03", "PR.AA-04"}, IEC62443: []string{"SR 1.8"}, SR28: "AC", Attack: []string{"T0830", "T0848"}, OCSFClass: 4001, OCSFActivity: 5, PII: 0, Note: "OPC UA AuditCertificate* events"},
	{Name: TypeChannelInsecure, Class: Security, Severity: SeverityMedium, Category: "network", Required: []string{"peer", "protocol", "mode", "policy"}, Row: true, CSF: []string{"PR.DS-02"}, IEC62443: []string{"SR 3.1", "SR 4.1"}, SR28: "CS", Attack: []string{"T0830", "T0842"}, OCSFClass: 2003, OCSFActivity: 1, PII: 0, Note: "OPC UA None, plain MQTT"},
	{Name: TypeCommLost, Class: Manufacturing, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"peer", "protocol", "since", "reason"}, Row: true, CSF: []string{"DE.CM-01", "DE.CM-09"}, IEC62443: []string{"SR 7.1"}, SR28: "CS", Attack: []string{"T0829", "T0815", "T0804", "T0813"}, OCSFClass: 4001, OCSFActivity: 4, PII: 0, Note: ""},
	{Name: TypeCommRestored, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"peer", "protocol", "downMs"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 7.4"}, SR28: "CS", OCSFClass: 4001, OCSFActivity: 1, PII: 0, Note: ""},
	{Name: TypeCommandIssued, Class: Security, Severity: SeverityLow, Category: "manufacturing", Required: []string{"stationId", "target", "command", "value", "by", "origin"}, Row: true, CSF: []string{"DE.CM-03", "DE.CM-09"}, IEC62443: []string{"SR 2.1", "SR 2.12"}, SR28: "CS", Attack: []string{"T0855", "T0831", "T0871"}, OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "OPC UA method calls and command topics; required: start/stop, speed"},
	{Name: TypeComplianceAction, Class: Security, Severity: SeverityInfo, Category: "compliance", Required: []string{"framework", "action", "reference", "by"}, Row: true, RequiredType: true, CSF: []string{"GV.OC-03"}, IEC62443: []string{"SR 2.8"}, SR28: "AL", OCSFClass: 2003, OCSFActivity: 99, PII: 1, Note: "umbrella; prefer the types below"},
	{Name: TypeComplianceCheck, Class: Security, Severity: SeverityInfo, Category: "compliance", Required: []string{"framework", "control", "result", "evidence", "window"}, Row: true, CSF: []string{"GV.OV-03", "ID.IM-01"}, IEC62443: []string{"SR 3.3"}, SR28: "AL", OCSFClass: 2003, OCSFActivity: 1, PII: 0, Note: ""},
	{Name: TypeComplianceException, Class: Security, Severity: SeverityMedium, Category: "compliance", Required: []string{"framework", "control", "owner", "until", "compensating"}, Row: true, CSF: []string{"ID.RA-07", "GV.OC-03"}, IEC62443: []string{"SR 3.3"}, SR28: "AL", OCSFClass: 2003, OCSFActivity: 2, PII: 1, Note: ""},
	{Name: TypeConfigChange, Class: Security, Severity: SeverityMedium, Category: "system", Required: []string{"target", "key", "old", "new", "by", "reason"}, Row: true, RequiredType: true, CSF: []string{"PR.PS-01", "ID.RA-07"}, IEC62443: []string{"SR 7.6", "SR 2.8"}, SR28: "CC", Attack: []string{"T0836"}, OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeConfigDeviation, Class: Security, Severity: SeverityMedium, Category: "system", Required: []string{"target", "baseline", "diff"}, Row: true, CSF: []string{"PR.PS-01", "DE.CM-09"}, IEC62443: []string{"SR 7.6", "SR 7.7"}, SR28: "CC", OCSFClass: 2003, OCSFActivity: 1, PII: 0, Note: ""},
	{Name: TypeConsentChange, Class: Security, Severity: SeverityInfo, Category: "compliance", Required: []string{"subject", "purpose", "state", "version"}, Row: true, CSF: []string{"GV.OC-03"}, IEC62443: []string{"SR 2.8"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 2, Note: "given, withdrawn, modified; GDPR 6, 7"},
	{Name: TypeCorrelationMatched, Class: Security, Severity: SeverityHigh, Category: "response", Required: []string{"rule", "events", "stations", "window", "group"}, Row: true, CSF: []string{"DE.AE-03"}, IEC62443: []string{"SR 6.2"}, SR28: "AC", Attack: []string{"T0859", "T0855"}, OCSFClass: 2004, OCSFActivity: 1, PII: 1, Note: ""},
	{Name: TypeCredentialChange, Class: Security, Severity: SeverityLow, Category: "auth", Required: []string{"targetUser", "kind", "action", "by"}, Row: true, CSF: []string{"PR.AA-01"}, IEC62443: []string{"SR 1.5", "SR 1.7"}, SR28: "AC", Attack: []string{"T0892"}, OCSFClass: 3001, OCSFActivity: 3, PII: 2, Note: "password, token, key, badge"},
	{Name: TypeCredentialDefaultUsed, Class: Security, Severity: SeverityHigh, Category: "auth", Required: []string{"targetUser", "host", "service"}, Row: true, CSF: []string{"PR.AA-01", "DE.CM-09"}, IEC62443: []string{"SR 1.5"}, SR28: "AC", Attack: []string{"T0812", "T0891"}, OCSFClass: 2004, OCSFActivity: 1, PII: 2, Note: ""},
	{Name: TypeDataAccess, Class: Security, Severity: SeverityInfo, Category: "data", Required: []string{"userId", "dataset", "operation", "records", "purpose"}, Row: true, RequiredType: true, CSF: []string{"PR.DS-01", "DE.CM-03"}, IEC62443: []string{"SR 4.1", "SR 2.8"}, SR28: "AC", Attack: []string{"T0811", "T0893"}, OCSFClass: 6005, OCSFActivity: 1, PII: 2, Note: "GDPR Art. 30, 32"},
	{Name: TypeDataDeleted, Class: Security, Severity: SeverityMedium, Category: "data", Required: []string{"userId", "dataset", "records", "basis"}, Row: true, CSF: []string{"PR.DS-01"}, IEC62443: []string{"SR 4.2"}, SR28: "CC", Attack: []string{"T0809"}, OCSFClass: 6005, OCSFActivity: 7, PII: 2, Note: ""},
	{Name: TypeDataExported, Class: Security, Severity: SeverityMedium, Category: "data", Required: []string{"userId", "dataset", "format", "records", "destination", "sha256"}, Row: true, CSF: []string{"PR.DS-01", "DE.CM-03"}, IEC62443: []string{"SR 4.1"}, SR28: "AC", Attack: []string{"T0882"}, OCSFClass: 6005, OCSFActivity: 1, PII: 2, Note: "reports, BI, portability"},
	{Name: TypeDataIntegrityFailure, Class: Security, Severity: SeverityHigh, Category: "data", Required: []string{"dataset", "recordId", "check", "expected", "found"}, Row: true, CSF: []string{"PR.DS-01", "DE.CM-09"}, IEC62443: []string{"SR 3.4"}, SR28: "CS", Attack: []string{"T0809", "T0832"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "checksum, schema, corruption"},
	{Name: TypeDataModified, Class: Security, Severity: SeverityLow, Category: "data", Required: []string{"userId", "dataset", "recordId", "before", "after", "reason"}, Row: true, CSF: []string{"PR.DS-01"}, IEC62443: []string{"SR 3.4", "SR 2.12"}, SR28: "CC", OCSFClass: 6005, OCSFActivity: 2, PII: 2, Note: "before and after as hash or sealed field"},
	{Name: TypeDataTransfer, Class: Security, Severity: SeverityMedium, Category: "data", Required: []string{"recipient", "country", "dataset", "basis"}, Row: true, CSF: []string{"PR.DS-02", "DE.CM-06"}, IEC62443: []string{"SR 4.1"}, SR28: "AC", Attack: []string{"T0882"}, OCSFClass: 6005, OCSFActivity: 1, PII: 1, Note: "GDPR sharing, disclosures"},
	{Name: TypeDebugTrace, Class: Debug, Severity: SeverityDebug, Category: "system", Required: []string{"component", "text"}, Row: true, IEC62443: []string{"SR 2.8"}, SR28: "OS", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "30 days"},
	{Name: TypeEncryptionEvent, Class: Security, Severity: SeverityInfo, Category: "data", Required: []string{"operation", "keyId", "fieldSet", "result"}, Row: true, RequiredType: true, CSF: []string{"PR.DS-01"}, IEC62443: []string{"SR 4.3"}, SR28: "OS", OCSFClass: 6005, OCSFActivity: 9, PII: 0, Note: "aggregated per minute by default"},
	{Name: TypeEquipmentFault, Class: Manufacturing, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"equipmentId", "code", "text", "since"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 2.8"}, SR28: "CS", Attack: []string{"T0826"}, OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: ""},
	{Name: TypeEquipmentHealth, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"equipmentId", "score", "drivers", "model"}, Row: true, CSF: []string{"DE.CM-09", "ID.AM-08"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "derived"},
	{Name: TypeEquipmentStatus, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"equipmentId", "status", "previous"}, Row: true, RequiredType: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 2.8"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: ""},
	{Name: TypeEventDuplicateId, Class: Security, Severity: SeverityMedium, Category: "store", Required: []string{"id", "first", "second"}, Row: true, CSF: []string{"DE.CM-09", "PR.DS-01"}, IEC62443: []string{"SR 3.4", "SR 3.5"}, SR28: "RE", Attack: []string{"T0856"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "two events with one id and different bytes: both are kept and shown"},
	{Name: TypeEvidenceImported, Class: Security, Severity: SeverityMedium, Category: "data", Required: []string{"agentId", "stage", "leaves", "source", "by"}, Row: true, CSF: []string{"PR.DS-01", "DE.CM-03"}, IEC62443: []string{"SR 3.9"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "the journal of a station was brought in from a folder; written before (begun) and after (done)"},
	{Name: TypeFileIntegrity, Class: Security, Severity: SeverityMedium, Category: "host", Required: []string{"host", "path", "oldHash", "newHash", "user"}, Row: true, CSF: []string{"DE.CM-09", "PR.DS-01"}, IEC62443: []string{"SR 3.4"}, SR28: "OS", Attack: []string{"T0873", "T0872", "T0867"}, OCSFClass: 1001, OCSFActivity: 3, PII: 1, Note: ""},
	{Name: TypeFirmwareChange, Class: Security, Severity: SeverityHigh, Category: "manufacturing", Required: []string{"device", "oldVersion", "newVersion", "by", "signed"}, Row: true, CSF: []string{"PR.PS-02", "ID.RA-09"}, IEC62443: []string{"SR 3.4"}, SR28: "CC", Attack: []string{"T0857", "T0839", "T0800"}, OCSFClass: 5020, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeForwardFailed, Class: Performance, Severity: SeverityMedium, Category: "agent", Required: []string{"sink", "since", "backlog", "error"}, Row: true, CSF: []string{"PR.PS-04", "DE.AE-06"}, IEC62443: []string{"SR 6.2"}, SR28: "AL", OCSFClass: 6008, OCSFActivity: 1, PII: 0, Note: "SIEM, BI, mail"},
	{Name: TypeHostPower, Class: Security, Severity: SeverityLow, Category: "host", Required: []string{"host", "state", "reason", "by"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 2.8"}, SR28: "OS", Attack: []string{"T0816"}, OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "OCSF 1.9: 1011 Device Power State"},
	{Name: TypeIncidentClosed, Class: Security, Severity: SeverityInfo, Category: "response", Required: []string{"incidentId", "rootCause", "lessons", "by"}, Row: true, CSF: []string{"RC.RP-06", "ID.IM-03"}, IEC62443: []string{"SR 6.1"}, SR28: "AL", OCSFClass: 2005, OCSFActivity: 3, PII: 1, Note: ""},
	{Name: TypeIncidentContained, Class: Security, Severity: SeverityHigh, Category: "response", Required: []string{"incidentId", "action", "by"}, Row: true, CSF: []string{"RS.MI-01"}, IEC62443: []string{"SR 5.2"}, SR28: "AL", OCSFClass: 7001, OCSFActivity: 1, PII: 1, Note: ""},
	{Name: TypeIncidentDeclared, Class: Security, Severity: SeverityHigh, Category: "response", Required: []string{"incidentId", "criteria", "awareAt", "severity", "by"}, Row: true, CSF: []string{"DE.AE-08", "RS.MA-01"}, IEC62443: []string{"SR 6.2"}, SR28: "AL", OCSFClass: 2005, OCSFActivity: 1, PII: 1, Note: "starts statutory clocks"},
	{Name: TypeIncidentEradicated, Class: Security, Severity: SeverityMedium, Category: "response", Required: []string{"incidentId", "action", "by"}, Row: true, CSF: []string{"RS.MI-02"}, IEC62443: []string{"SR 3.2"}, SR28: "AL", OCSFClass: 7001, OCSFActivity: 2, PII: 1, Note: ""},
	{Name: TypeIncidentEscalated, Class: Security, Severity: SeverityHigh, Category: "response", Required: []string{"incidentId", "to", "reason", "by"}, Row: true, CSF: []string{"RS.MA-04"}, IEC62443: []string{"SR 6.1"}, SR28: "AL", OCSFClass: 2005, OCSFActivity: 2, PII: 1, Note: ""},
	{Name: TypeIncidentEvidence, Class: Security, Severity: SeverityInfo, Category: "response", Required: []string{"incidentId", "events", "root", "sha256", "by"}, Row: true, CSF: []string{"RS.AN-07"}, IEC62443: []string{"SR 3.9"}, SR28: "AL", OCSFClass: 2005, OCSFActivity: 2, PII: 1, Note: "signed bundle"},
	{Name: TypeIncidentRecovered, Class: Security, Severity: SeverityMedium, Category: "response", Required: []string{"incidentId", "systems", "verified", "by"}, Row: true, CSF: []string{"RC.RP-02", "RC.RP-05", "RC.CO-03"}, IEC62443: []string{"SR 7.4"}, SR28: "AL", OCSFClass: 7001, OCSFActivity: 3, PII: 1, Note: ""},
	{Name: TypeIncidentRecoveryStarted, Class: Security, Severity: SeverityMedium, Category: "response", Required: []string{"incidentId", "plan", "criteria", "by"}, Row: true, CSF: []string{"RS.MA-05", "RC.RP-01"}, IEC62443: []string{"SR 7.4"}, SR28: "AL", OCSFClass: 7001, OCSFActivity: 3, PII: 1, Note: ""},
	{Name: TypeIncidentReported, Class: Security, Severity: SeverityHigh, Category: "response", Required: []string{"incidentId", "authority", "stage", "dueBy", "sentAt", "sha256"}, Row: true, CSF: []string{"RS.CO-02", "RS.CO-03"}, IEC62443: []string{"SR 6.1"}, SR28: "AL", OCSFClass: 2005, OCSFActivity: 2, PII: 1, Note: "NIS2 24 h, 72 h, 1 month; GDPR 72 h; CRA"},
	{Name: TypeIncidentUpdated, Class: Security, Severity: SeverityInfo, Category: "response", Required: []string{"incidentId", "field", "old", "new", "by"}, Row: true, CSF: []string{"RS.MA-03", "RS.AN-03", "RS.AN-06", "RS.AN-08", "DE.AE-04"}, IEC62443: []string{"SR 6.1", "SR 2.12"}, SR28: "AL", OCSFClass: 2005, OCSFActivity: 2, PII: 1, Note: "triage, class, owner, root cause"},
	{Name: TypeIngestQuarantined, Class: Security, Severity: SeverityMedium, Category: "source", Required: []string{"source", "item", "reason"}, Row: true, CSF: []string{"DE.CM-09", "PR.DS-02"}, IEC62443: []string{"SR 3.5", "SR 3.1"}, SR28: "RE", Attack: []string{"T0856"}, OCSFClass: 6003, OCSFActivity: 2, PII: 0, Note: "message or leaf that cannot be read: kept (bounded) with the reason, never in the way of others"},
	{Name: TypeIngestRejected, Class: Security, Severity: SeverityMedium, Category: "agent", Required: []string{"origin", "reason", "count", "sampleHash"}, Row: true, CSF: []string{"DE.CM-09", "PR.DS-02"}, IEC62443: []string{"SR 3.5", "SR 3.1", "SR 7.1"}, SR28: "RE", Attack: []string{"T0856", "T0814"}, OCSFClass: 6003, OCSFActivity: 2, PII: 0, Note: "signature, schema, size, rate limit, duplicate"},
	{Name: TypeIntegrationExchange, Class: Performance, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"system", "direction", "message", "result"}, Row: true, CSF: []string{"DE.CM-06", "DE.CM-09"}, IEC62443: []string{"SR 3.1"}, SR28: "CS", OCSFClass: 6003, OCSFActivity: 1, PII: 0, Note: "required: system integration, MES and ERP"},
	{Name: TypeIntelImported, Class: Performance, Severity: SeverityInfo, Category: "intel", Required: []string{"feed", "version", "count", "sha256", "signedBy", "ageHours"}, Row: true, CSF: []string{"ID.RA-02"}, IEC62443: []string{"SR 6.2"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "online or sneakernet bundle"},
	{Name: TypeIpBlocked, Class: Security, Severity: SeverityMedium, Category: "intel", Required: []string{"ip", "reason", "score", "enforcer", "until", "approver"}, Row: true, CSF: []string{"RS.MI-01", "PR.IR-01"}, IEC62443: []string{"SR 5.2", "SR 7.1"}, SR28: "AC", OCSFClass: 7004, OCSFActivity: 1, PII: 1, Note: ""},
	{Name: TypeIpReputation, Class: Security, Severity: SeverityMedium, Category: "intel", Required: []string{"ip", "score", "sources", "listedSince", "direction"}, Row: true, CSF: []string{"ID.RA-02", "DE.AE-07"}, IEC62443: []string{"SR 6.2", "SR 5.2"}, SR28: "AC", Attack: []string{"T0883", "T0884", "T0885"}, OCSFClass: 2004, OCSFActivity: 1, PII: 1, Note: ""},
	{Name: TypeIpUnblocked, Class: Security, Severity: SeverityLow, Category: "intel", Required: []string{"ip", "by", "reason"}, Row: true, CSF: []string{"RS.MI-01"}, IEC62443: []string{"SR 5.2"}, SR28: "AC", OCSFClass: 7004, OCSFActivity: 3, PII: 1, Note: ""},
	{Name: TypeKeyCosigner, Class: Security, Severity: SeverityLow, Category: "identity", Required: []string{"name", "publicKey"}, Row: true, CSF: []string{"PR.AA-01", "RS.AN-07"}, IEC62443: []string{"SR 1.9", "SR 3.9"}, SR28: "AL", OCSFClass: 6005, OCSFActivity: 99, PII: 0, Note: "the aggregator made or took on a key that signs receipts"},
	{Name: TypeKeyLifecycle, Class: Security, Severity: SeverityLow, Category: "data", Required: []string{"keyId", "action", "kind", "by", "approver"}, Row: true, CSF: []string{"PR.AA-01", "PR.DS-01"}, IEC62443: []string{"SR 4.3", "SR 1.9"}, SR28: "CC", OCSFClass: 6005, OCSFActivity: 99, PII: 1, Note: "created, rotated, revoked, destroyed (crypto-shred)"},
	{Name: TypeLogCleared, Class: Security, Severity: SeverityHigh, Category: "host", Required: []string{"host", "log", "by"}, Row: true, CSF: []string{"PR.PS-04", "DE.CM-09"}, IEC62443: []string{"SR 3.9", "SR 2.8"}, SR28: "AL", Attack: []string{"T0872"}, OCSFClass: 1008, OCSFActivity: 1, PII: 2, Note: ""},
	{Name: TypeLogClosed, Class: Security, Severity: SeverityInfo, Category: "log", Required: []string{"origin", "reason"}, Row: false, CSF: []string{"PR.PS-04"}, IEC62443: []string{"SR 3.9"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "planned end of a log; carries the class of its log"},
	{Name: TypeLogForked, Class: Security, Severity: SeverityCritical, Category: "log", Required: []string{"log", "agentId", "size", "first", "second"}, Row: true, CSF: []string{"RS.AN-07", "DE.CM-09"}, IEC62443: []string{"SR 3.9", "SR 3.4"}, SR28: "AL", Attack: []string{"T0872"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "two histories signed under one origin: both checkpoints are kept"},
	{Name: TypeLogHeartbeat, Class: Security, Severity: SeverityInfo, Category: "log", Required: []string{"logs", "bootId", "monotonicMs", "wall"}, Row: false, CSF: []string{"PR.PS-04", "RS.AN-07"}, IEC62443: []string{"SR 3.9", "SR 2.11"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "sizes and roots of the other logs, clocks and counts dropped at source: every 5 minutes, at start and stop"},
	{Name: TypeLogKey, Class: Security, Severity: SeverityLow, Category: "log", Required: []string{"origin", "publicKey"}, Row: false, CSF: []string{"PR.AA-01", "PR.PS-04"}, IEC62443: []string{"SR 1.9", "SR 3.9"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "larger sizes are signed by this key; carries the class of its log"},
	{Name: TypeLogOpened, Class: Security, Severity: SeverityInfo, Category: "log", Required: []string{"origin", "publicKey", "reason"}, Row: false, CSF: []string{"PR.PS-04", "RS.AN-07"}, IEC62443: []string{"SR 3.9", "SR 2.10"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "first leaf of each log: the facts of its registration and, after a succession, copies = number of leaves copied behind it; carries the class of its log"},
	{Name: TypeLogRegistered, Class: Security, Severity: SeverityInfo, Category: "log", Required: []string{"origin", "publicKey", "reason", "at"}, Row: false, CSF: []string{"PR.PS-04", "ID.AM-01"}, IEC62443: []string{"SR 3.9"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "aggregator: body of POST /agent/v1/logs"},
	{Name: TypeLogRestored, Class: Security, Severity: SeverityHigh, Category: "log", Required: []string{"log", "size", "receiptSize"}, Row: true, CSF: []string{"PR.DS-11", "RS.AN-07"}, IEC62443: []string{"SR 7.4", "SR 3.9"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "the aggregator came back from an older state and is refilled by the agent"},
	{Name: TypeLogRoots, Class: Security, Severity: SeverityInfo, Category: "log", Required: []string{"root", "count"}, Row: false, CSF: []string{"RS.AN-07"}, IEC62443: []string{"SR 3.9", "SR 2.11"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "aggregator: once a minute the root over all checkpoints changed since the last one"},
	{Name: TypeLogSucceeded, Class: Security, Severity: SeverityHigh, Category: "log", Required: []string{"log", "predecessor", "reason", "copies"}, Row: true, CSF: []string{"RS.AN-07", "PR.PS-04"}, IEC62443: []string{"SR 3.9"}, SR28: "AL", Attack: []string{"T0872"}, OCSFClass: 1008, OCSFActivity: 99, PII: 0, Note: "a log goes on under a new origin: state lost, rolled back or forked"},
	{Name: TypeMaintenanceDue, Class: Manufacturing, Severity: SeverityLow, Category: "manufacturing", Required: []string{"equipmentId", "kind", "dueBy", "confidence", "basis"}, Row: true, CSF: []string{"ID.AM-08", "PR.PS-03"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "derived: predictive"},
	{Name: TypeMaintenanceEvent, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"equipmentId", "kind", "phase", "by", "workOrder"}, Row: true, RequiredType: true, CSF: []string{"PR.PS-03"}, IEC62443: []string{"SR 2.8"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "planned, unplanned, start, done, parts"},
	{Name: TypeMaintenanceLockout, Class: Manufacturing, Severity: SeverityLow, Category: "manufacturing", Required: []string{"equipmentId", "state", "by", "points"}, Row: true, CSF: []string{"PR.PS-03"}, IEC62443: []string{"SR 2.12"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "lock-out tag-out"},
	{Name: TypeMaterialFlow, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"stationId", "materialId", "action", "quantity", "lot"}, Row: true, CSF: []string{"PR.DS-01"}, IEC62443: []string{"SR 2.8"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "component tracking, inventory"},
	{Name: TypeNetworkAnomaly, Class: Security, Severity: SeverityMedium, Category: "network", Required: []string{"metric", "value", "baseline", "window"}, Row: true, CSF: []string{"DE.CM-01", "DE.AE-02"}, IEC62443: []string{"SR 6.2", "SR 7.1"}, SR28: "PR", Attack: []string{"T0814", "T0842"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: ""},
	{Name: TypeNetworkConnection, Class: Security, Severity: SeverityInfo, Category: "network", Required: []string{"src", "dst", "port", "protocol", "state"}, Row: true, CSF: []string{"DE.CM-01"}, IEC62443: []string{"SR 5.1", "SR 6.2"}, SR28: "OS", Attack: []string{"T0885", "T0886", "T0869"}, OCSFClass: 4001, OCSFActivity: 1, PII: 1, Note: "first-seen only by default"},
	{Name: TypeNetworkZoneViolation, Class: Security, Severity: SeverityHigh, Category: "network", Required: []string{"src", "dst", "zoneFrom", "zoneTo", "conduit", "port"}, Row: true, CSF: []string{"PR.IR-01", "DE.CM-01"}, IEC62443: []string{"SR 5.1", "SR 5.2"}, SR28: "AC", Attack: []string{"T0886", "T0866"}, OCSFClass: 2004, OCSFActivity: 1, PII: 1, Note: ""},
	{Name: TypeNotificationSent, Class: Performance, Severity: SeverityInfo, Category: "response", Required: []string{"channel", "recipientRole", "alertId", "result"}, Row: true, CSF: []string{"RS.CO-02", "DE.AE-06"}, IEC62443: []string{"SR 6.2"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeParameterChange, Class: Security, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"stationId", "nodeId", "old", "new", "unit", "by", "reason"}, Row: true, CSF: []string{"PR.PS-01", "ID.RA-07"}, IEC62443: []string{"SR 3.4", "SR 2.12", "SR 7.6"}, SR28: "CC", Attack: []string{"T0836", "T0831"}, OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: "setpoints; from AuditWriteUpdateEvent or watched nodes"},
	{Name: TypePerformanceDegraded, Class: Performance, Severity: SeverityMedium, Category: "system", Required: []string{"component", "metric", "value", "target"}, Row: true, CSF: []string{"PR.IR-04"}, IEC62443: []string{"SR 7.1", "SR 7.2"}, SR28: "OS", Attack: []string{"T0814"}, OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: ""},
	{Name: TypePerformanceMetric, Class: Performance, Severity: SeverityInfo, Category: "system", Required: []string{"name", "value", "unit", "window"}, Row: true, CSF: []string{"PR.IR-04"}, IEC62443: []string{"SR 7.2"}, SR28: "OS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "APM integration"},
	{Name: TypePermissionChange, Class: Security, Severity: SeverityMedium, Category: "auth", Required: []string{"targetUser", "role", "action", "by", "before", "after"}, Row: true, RequiredType: true, CSF: []string{"PR.AA-05"}, IEC62443: []string{"SR 2.1", "SR 1.3"}, SR28: "AC", Attack: []string{"T0859"}, OCSFClass: 3005, OCSFActivity: 1, PII: 2, Note: "OCSF 1.9: 3007"},
	{Name: TypePermissionElevated, Class: Security, Severity: SeverityHigh, Category: "auth", Required: []string{"userId", "privilege", "reason", "approver", "until"}, Row: true, CSF: []string{"PR.AA-05", "DE.CM-03"}, IEC62443: []string{"SR 2.1", "SR 2.12"}, SR28: "AC", Attack: []string{"T0890", "T0859"}, OCSFClass: 3003, OCSFActivity: 1, PII: 2, Note: "break-glass, supervisor override, dual approval"},
	{Name: TypePhysicalAccess, Class: Security, Severity: SeverityLow, Category: "auth", Required: []string{"point", "state", "badge"}, Row: true, CSF: []string{"PR.AA-06", "DE.CM-02"}, IEC62443: []string{"SR 2.8"}, SR28: "AC", Attack: []string{"T0864"}, OCSFClass: 0, OCSFActivity: 99, PII: 2, Note: "door, cabinet, key switch from OPC UA signal"},
	{Name: TypePolicyChange, Class: Security, Severity: SeverityLow, Category: "compliance", Required: []string{"policy", "oldVersion", "newVersion", "by"}, Row: true, CSF: []string{"GV.PO-02"}, IEC62443: []string{"SR 7.6"}, SR28: "CC", OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypePrivacyFulfilled, Class: Security, Severity: SeverityLow, Category: "compliance", Required: []string{"requestId", "right", "result", "keysDestroyed", "sha256"}, Row: true, CSF: []string{"GV.OC-03", "PR.DS-01"}, IEC62443: []string{"SR 4.2"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypePrivacyReidentified, Class: Security, Severity: SeverityHigh, Category: "compliance", Required: []string{"pseudonym", "by", "approver", "reason", "incident"}, Row: true, CSF: []string{"PR.AA-05", "GV.OC-03"}, IEC62443: []string{"SR 2.12", "SR 4.1"}, SR28: "AL", OCSFClass: 6005, OCSFActivity: 10, PII: 1, Note: "four eyes; visible to the works council role"},
	{Name: TypePrivacyRequest, Class: Security, Severity: SeverityLow, Category: "compliance", Required: []string{"requestId", "subject", "right", "dueBy"}, Row: true, CSF: []string{"GV.OC-03"}, IEC62443: []string{"SR 2.8"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 2, Note: "GDPR 15-22, one-month clock"},
	{Name: TypeProcessChange, Class: Security, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"line", "what", "old", "new", "by", "reason", "approval"}, Row: true, CSF: []string{"PR.PS-01", "ID.RA-07"}, IEC62443: []string{"SR 7.6", "SR 2.12"}, SR28: "CC", Attack: []string{"T0836"}, OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: "required: process modifications, workflow changes"},
	{Name: TypeProcessStarted, Class: Security, Severity: SeverityLow, Category: "host", Required: []string{"host", "image", "sha256", "parent", "user", "allowed"}, Row: true, CSF: []string{"PR.PS-05", "DE.CM-09"}, IEC62443: []string{"SR 3.2", "SR 7.7"}, SR28: "OS", Attack: []string{"T0863", "T0807", "T0853", "T0894"}, OCSFClass: 1007, OCSFActivity: 1, PII: 2, Note: "only outside the allow list"},
	{Name: TypeProcessingRecord, Class: Security, Severity: SeverityInfo, Category: "compliance", Required: []string{"activity", "purpose", "basis", "retention", "by"}, Row: true, CSF: []string{"GV.OC-03", "ID.AM-07"}, IEC62443: []string{"SR 2.8"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "GDPR Art. 30"},
	{Name: TypeProgramDownload, Class: Security, Severity: SeverityHigh, Category: "manufacturing", Required: []string{"controller", "program", "oldHash", "newHash", "by", "from"}, Row: true, CSF: []string{"PR.PS-01", "PR.PS-05"}, IEC62443: []string{"SR 3.4"}, SR28: "CC", Attack: []string{"T0843", "T0889", "T0821"}, OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeProgramUpload, Class: Security, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"controller", "program", "by", "from"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 2.1", "SR 4.1"}, SR28: "CS", Attack: []string{"T0845"}, OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeQualityCheck, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"stationId", "productId", "characteristic", "value", "result", "by"}, Row: true, RequiredType: true, CSF: []string{"PR.DS-01"}, IEC62443: []string{"SR 2.12"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "result pass, fail, rework; value optional with limits"},
	{Name: TypeQualityOverride, Class: Security, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"productId", "from", "to", "by", "reason", "approver"}, Row: true, CSF: []string{"PR.DS-01", "DE.CM-03"}, IEC62443: []string{"SR 2.12", "SR 2.1"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "21 CFR 11.10(e): old value stays visible"},
	{Name: TypeQualityTrend, Class: Manufacturing, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"stationId", "characteristic", "rule", "window", "stats"}, Row: true, CSF: []string{"DE.AE-02"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", Attack: []string{"T0831", "T0832"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "derived: SPC rules (Western Electric or Nelson)"},
	{Name: TypeRecipeChange, Class: Security, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"stationId", "recipe", "oldVersion", "newVersion", "by", "reason"}, Row: true, CSF: []string{"PR.PS-01", "ID.RA-07"}, IEC62443: []string{"SR 3.4", "SR 2.12"}, SR28: "CC", Attack: []string{"T0836"}, OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeRemoteSession, Class: Security, Severity: SeverityMedium, Category: "auth", Required: []string{"userId", "party", "from", "to", "protocol", "ticket", "state"}, Row: true, CSF: []string{"PR.AA-05", "DE.CM-06", "DE.CM-01"}, IEC62443: []string{"SR 1.13", "SR 2.6"}, SR28: "AC", Attack: []string{"T0822", "T0886"}, OCSFClass: 4001, OCSFActivity: 1, PII: 2, Note: "vendor and engineering remote access; state opened or closed"},
	{Name: TypeRemovableMediaConnected, Class: Security, Severity: SeverityMedium, Category: "auth", Required: []string{"device", "serial", "vendor", "host", "user"}, Row: true, CSF: []string{"PR.PS-05", "DE.CM-09"}, IEC62443: []string{"SR 2.3"}, SR28: "OS", Attack: []string{"T0847", "T0864"}, OCSFClass: 1010, OCSFActivity: 1, PII: 1, Note: ""},
	{Name: TypeRequestError, Class: Security, Severity: SeverityLow, Category: "system", Required: []string{"origin", "endpoint", "status", "reason"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 2.8", "SR 3.5", "SR 3.7"}, SR28: "RE", Attack: []string{"T0819"}, OCSFClass: 6003, OCSFActivity: 2, PII: 0, Note: "SR 2.8 request errors"},
	{Name: TypeResponseAction, Class: Security, Severity: SeverityMedium, Category: "response", Required: []string{"action", "target", "mode", "by", "approver", "result"}, Row: true, CSF: []string{"RS.MI-01"}, IEC62443: []string{"SR 2.12"}, SR28: "AL", OCSFClass: 7001, OCSFActivity: 1, PII: 1, Note: "manual or automatic, with roll-back"},
	{Name: TypeRestorePerformed, Class: Security, Severity: SeverityHigh, Category: "data", Required: []string{"scope", "source", "by", "verified"}, Row: true, CSF: []string{"RC.RP-03", "RC.RP-05"}, IEC62443: []string{"SR 7.4"}, SR28: "BR", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeRetentionPurged, Class: Security, Severity: SeverityInfo, Category: "data", Required: []string{"class", "from", "to", "count", "rootHash", "policy"}, Row: true, CSF: []string{"PR.DS-01"}, IEC62443: []string{"SR 4.2", "SR 2.9"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 2, PII: 0, Note: "signed tombstone, proof survives the rows"},
	{Name: TypeRiskAssessed, Class: Security, Severity: SeverityInfo, Category: "compliance", Required: []string{"scope", "score", "by", "basis"}, Row: true, CSF: []string{"ID.RA-05", "ID.RA-06"}, IEC62443: []string{"SR 3.3"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: ""},
	{Name: TypeSafetyOverride, Class: Security, Severity: SeverityHigh, Category: "manufacturing", Required: []string{"stationId", "function", "state", "by", "approver", "until", "reason"}, Row: true, CSF: []string{"PR.AA-05", "DE.CM-09"}, IEC62443: []string{"SR 2.1", "SR 2.12", "SR 3.6"}, SR28: "CS", Attack: []string{"T0837", "T0880"}, OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "bypass, jumper, muting; must have an end"},
	{Name: TypeScheduledTaskChange, Class: Security, Severity: SeverityMedium, Category: "host", Required: []string{"host", "task", "action", "by"}, Row: true, CSF: []string{"PR.PS-05", "DE.CM-09"}, IEC62443: []string{"SR 3.4"}, SR28: "OS", Attack: []string{"T0853"}, OCSFClass: 1006, OCSFActivity: 2, PII: 1, Note: ""},
	{Name: TypeSecurityInjection, Class: Security, Severity: SeverityHigh, Category: "system", Required: []string{"origin", "kind", "reason", "sample"}, Row: true, CSF: []string{"DE.CM-09", "PR.DS-02"}, IEC62443: []string{"SR 3.5", "SR 3.1"}, SR28: "RE", Attack: []string{"T0856", "T0830"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "forged, replayed or malformed event"},
	{Name: TypeSecurityMalware, Class: Security, Severity: SeverityCritical, Category: "system", Required: []string{"host", "name", "path", "action", "engine"}, Row: true, CSF: []string{"DE.CM-09", "RS.MI-01"}, IEC62443: []string{"SR 3.2"}, SR28: "OS", Attack: []string{"T0863", "T0865"}, OCSFClass: 2004, OCSFActivity: 1, PII: 1, Note: ""},
	{Name: TypeSecurityRecon, Class: Security, Severity: SeverityMedium, Category: "system", Required: []string{"origin", "kind", "targets", "count", "window"}, Row: true, CSF: []string{"DE.CM-01", "DE.AE-02"}, IEC62443: []string{"SR 2.8", "SR 6.2"}, SR28: "PR", Attack: []string{"T0846", "T0840", "T0861", "T0888", "T0801", "T0802", "T0868"}, OCSFClass: 2004, OCSFActivity: 1, PII: 0, Note: "scan, browse storm, topic wildcard"},
	{Name: TypeSecurityTest, Class: Security, Severity: SeverityInfo, Category: "system", Required: []string{"test", "scope", "by", "until"}, Row: true, CSF: []string{"ID.IM-02"}, IEC62443: []string{"SR 3.3"}, SR28: "AL", OCSFClass: 6007, OCSFActivity: 1, PII: 1, Note: "labels exercises and penetration tests"},
	{Name: TypeSecurityViolation, Class: Security, Severity: SeverityHigh, Category: "system", Required: []string{"rule", "subject", "evidence", "station"}, Row: true, RequiredType: true, CSF: []string{"DE.AE-02", "DE.CM-09"}, IEC62443: []string{"SR 6.2"}, SR28: "AC", Attack: []string{"T0855", "T0859"}, OCSFClass: 2004, OCSFActivity: 1, PII: 1, Note: ""},
	{Name: TypeServiceState, Class: Security, Severity: SeverityLow, Category: "host", Required: []string{"host", "service", "state", "by"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 2.8"}, SR28: "OS", Attack: []string{"T0881"}, OCSFClass: 6002, OCSFActivity: 4, PII: 1, Note: ""},
	{Name: TypeSessionAnomaly, Class: Security, Severity: SeverityHigh, Category: "auth", Required: []string{"userId", "sessionId", "kind", "evidence"}, Row: true, CSF: []string{"DE.AE-02", "DE.CM-03"}, IEC62443: []string{"SR 3.8"}, SR28: "AC", Attack: []string{"T0859", "T0830"}, OCSFClass: 2004, OCSFActivity: 1, PII: 2, Note: "replay, hijack, impossible device; required: device tracking"},
	{Name: TypeSessionConcurrent, Class: Security, Severity: SeverityMedium, Category: "auth", Required: []string{"userId", "count", "limit", "devices"}, Row: true, CSF: []string{"PR.AA-05", "DE.CM-03"}, IEC62443: []string{"SR 2.7"}, SR28: "AC", Attack: []string{"T0859"}, OCSFClass: 2004, OCSFActivity: 1, PII: 2, Note: "required: concurrent sessions"},
	{Name: TypeSessionStarted, Class: Security, Severity: SeverityInfo, Category: "auth", Required: []string{"userId", "sessionId", "device", "roles"}, Row: true, CSF: []string{"PR.AA-03", "PR.AA-05"}, IEC62443: []string{"SR 1.1", "SR 3.8"}, SR28: "AC", OCSFClass: 3003, OCSFActivity: 1, PII: 2, Note: ""},
	{Name: TypeSessionTerminated, Class: Security, Severity: SeverityLow, Category: "auth", Required: []string{"userId", "sessionId", "by", "reason"}, Row: true, CSF: []string{"PR.AA-05", "RS.MI-01"}, IEC62443: []string{"SR 2.6"}, SR28: "AC", OCSFClass: 3002, OCSFActivity: 2, PII: 2, Note: ""},
	{Name: TypeSessionTimeout, Class: Security, Severity: SeverityInfo, Category: "auth", Required: []string{"userId", "sessionId", "idleSeconds"}, Row: true, CSF: []string{"PR.AA-05"}, IEC62443: []string{"SR 2.5", "SR 2.6"}, SR28: "AC", OCSFClass: 3002, OCSFActivity: 2, PII: 2, Note: "session lock and idle end"},
	{Name: TypeSignalCounterReset, Class: Manufacturing, Severity: SeverityInfo, Category: "signal", Required: []string{"signal", "value", "previous"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "a counter began anew or ran over"},
	{Name: TypeSignalCurve, Class: Manufacturing, Severity: SeverityDebug, Category: "signal", Required: []string{"signal", "of"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "the curve after a detection or alarm; linked to it by correlation_id"},
	{Name: TypeSignalForecast, Class: Manufacturing, Severity: SeverityLow, Category: "signal", Required: []string{"signal", "limit", "state"}, Row: true, CSF: []string{"DE.CM-09", "DE.AE-02"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", Attack: []string{"T0832"}, OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "a trend will reach a limit, with the interval of the time; and its end: reached, withdrawn"},
	{Name: TypeSignalInvalid, Class: Manufacturing, Severity: SeverityLow, Category: "signal", Required: []string{"signal", "problem"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 3.5", "SR 6.2"}, SR28: "CS", Attack: []string{"T0832", "T0856"}, OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "values that can't be used: not a number, infinite, text where numbers were, time running backwards, another unit; and their end; integers beyond 2^53, once"},
	{Name: TypeSignalLearning, Class: Manufacturing, Severity: SeverityInfo, Category: "signal", Required: []string{"signal", "detector", "state"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "a detector begins to learn, has learnt enough, lost its state, changed its threshold to keep its budget"},
	{Name: TypeSignalQuality, Class: Manufacturing, Severity: SeverityLow, Category: "signal", Required: []string{"signal", "quality", "previous"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 6.2", "SR 3.7"}, SR28: "CS", Attack: []string{"T0815"}, OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "a signal turned bad, uncertain or good again (OPC UA status code)"},
	{Name: TypeSignalSummary, Class: Performance, Severity: SeverityInfo, Category: "signal", Required: []string{"from", "to", "signals"}, Row: false, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "readings of one source in one interval: count, min, max, mean, first, last of each signal"},
	{Name: TypeSoftwareChange, Class: Security, Severity: SeverityMedium, Category: "asset", Required: []string{"host", "package", "oldVersion", "newVersion", "by"}, Row: true, CSF: []string{"ID.AM-02", "PR.PS-02"}, IEC62443: []string{"SR 3.4", "SR 7.8"}, SR28: "OS", Attack: []string{"T0862"}, OCSFClass: 5020, OCSFActivity: 1, PII: 1, Note: "patches included"},
	{Name: TypeSourceConnected, Class: Performance, Severity: SeverityInfo, Category: "source", Required: []string{"source", "endpoint"}, Row: true, CSF: []string{"DE.CM-01", "DE.CM-09"}, IEC62443: []string{"SR 6.2"}, SR28: "CS", OCSFClass: 4001, OCSFActivity: 1, PII: 0, Note: "first connection since the start; later ones are comm.restored"},
	{Name: TypeSourceDowngraded, Class: Security, Severity: SeverityHigh, Category: "source", Required: []string{"source", "endpoint", "wanted", "offered"}, Row: true, CSF: []string{"PR.DS-02", "DE.CM-09"}, IEC62443: []string{"SR 3.1", "SR 4.1"}, SR28: "AC", Attack: []string{"T0830"}, OCSFClass: 4001, OCSFActivity: 5, PII: 0, Note: "server offers less security than is configured: not connected"},
	{Name: TypeSourceDuplicateClient, Class: Security, Severity: SeverityMedium, Category: "source", Required: []string{"source", "clientId"}, Row: true, CSF: []string{"PR.AA-03", "DE.CM-01"}, IEC62443: []string{"SR 1.2"}, SR28: "AC", Attack: []string{"T0848"}, OCSFClass: 4001, OCSFActivity: 5, PII: 0, Note: "two clients throw each other out under one client id"},
	{Name: TypeSourceItemFailed, Class: Performance, Severity: SeverityMedium, Category: "source", Required: []string{"source", "item", "reason"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 3.7"}, SR28: "CS", Attack: []string{"T0829"}, OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "a node or topic cannot be read; the others go on"},
	{Name: TypeSourceItemRestored, Class: Performance, Severity: SeverityInfo, Category: "source", Required: []string{"source", "item"}, Row: true, CSF: []string{"DE.CM-09"}, IEC62443: []string{"SR 7.4"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: ""},
	{Name: TypeSourceLimited, Class: Performance, Severity: SeverityMedium, Category: "source", Required: []string{"source", "what", "wanted", "granted"}, Row: true, CSF: []string{"PR.IR-04", "DE.CM-09"}, IEC62443: []string{"SR 7.1", "SR 2.9"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "server or broker grants less than an outage needs: queue, sessions, items, stored messages"},
	{Name: TypeSourceRefused, Class: Security, Severity: SeverityMedium, Category: "source", Required: []string{"source", "endpoint", "reason", "remedy"}, Row: true, CSF: []string{"PR.AA-03", "DE.CM-01"}, IEC62443: []string{"SR 1.2", "SR 1.8"}, SR28: "AC", OCSFClass: 4001, OCSFActivity: 5, PII: 0, Note: "server or broker refuses user, certificate, policy or client"},
	{Name: TypeSourceUntrusted, Class: Security, Severity: SeverityHigh, Category: "source", Required: []string{"source", "endpoint", "subject", "sha256", "reason"}, Row: true, CSF: []string{"PR.AA-03", "PR.AA-04"}, IEC62443: []string{"SR 1.8", "SR 3.1"}, SR28: "AC", Attack: []string{"T0830", "T0848"}, OCSFClass: 4001, OCSFActivity: 5, PII: 0, Note: "certificate of the server is unknown, expired, changed or does not fit its address"},
	{Name: TypeSpcBaseline, Class: Security, Severity: SeverityLow, Category: "manufacturing", Required: []string{"stationId", "characteristic", "state", "version", "by"}, Row: true, CSF: []string{"PR.PS-01", "DE.CM-09"}, IEC62443: []string{"SR 7.6", "SR 2.12"}, SR28: "CC", Attack: []string{"T0838"}, OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: "a baseline of a control chart was proposed, approved or frozen, with its numbers: who changed what the charts compare with"},
	{Name: TypeStationModeChange, Class: Security, Severity: SeverityMedium, Category: "manufacturing", Required: []string{"stationId", "from", "to", "by", "reason"}, Row: true, CSF: []string{"DE.CM-09", "PR.PS-01"}, IEC62443: []string{"SR 2.1", "SR 2.8"}, SR28: "CS", Attack: []string{"T0858"}, OCSFClass: 5019, OCSFActivity: 99, PII: 1, Note: "auto, manual, teach, program, maintenance"},
	{Name: TypeStationOperation, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"stationId", "operation", "state", "by"}, Row: true, RequiredType: true, CSF: []string{"DE.CM-09", "PR.PS-04"}, IEC62443: []string{"SR 2.8"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 1, Note: "start, stop, reset, cycle"},
	{Name: TypeStationProduction, Class: Manufacturing, Severity: SeverityInfo, Category: "manufacturing", Required: []string{"stationId", "from", "to", "source"}, Row: true, CSF: []string{"DE.CM-09", "PR.PS-03"}, IEC62443: []string{"SR 2.8"}, SR28: "CS", OCSFClass: 0, OCSFActivity: 99, PII: 0, Note: "production, break, changeover, maintenance, off, as told by a signal, the calendar or a command; limits are suppressed by design while off or in maintenance"},
	{Name: TypeStoreRebuilt, Class: Security, Severity: SeverityMedium, Category: "store", Required: []string{"rows", "by"}, Row: true, CSF: []string{"PR.DS-11"}, IEC62443: []string{"SR 7.4", "SR 3.9"}, SR28: "AL", OCSFClass: 1008, OCSFActivity: 99, PII: 1, Note: "read model made anew from the evidence"},
	{Name: TypeStoreRefused, Class: Security, Severity: SeverityHigh, Category: "store", Required: []string{"log", "index", "reason"}, Row: true, CSF: []string{"PR.DS-01", "DE.CM-09"}, IEC62443: []string{"SR 3.5", "SR 3.7"}, SR28: "RE", OCSFClass: 6008, OCSFActivity: 1, PII: 0, Note: "the database would not take a row: set apart, its evidence is stored"},
	{Name: TypeSystemError, Class: Performance, Severity: SeverityMedium, Category: "system", Required: []string{"component", "code", "text", "stack"}, Row: true, RequiredType: true, CSF: []string{"DE.CM-09", "PR.IR-04"}, IEC62443: []string{"SR 3.7", "SR 2.8"}, SR28: "OS", OCSFClass: 6008, OCSFActivity: 1, PII: 1, Note: "class security when severity is high or above"},
	{Name: TypeTimeDrift, Class: Security, Severity: SeverityMedium, Category: "audit", Required: []string{"host", "offsetMs", "source", "limitMs"}, Row: true, CSF: []string{"PR.PS-04", "DE.CM-09"}, IEC62443: []string{"SR 2.11"}, SR28: "AL", OCSFClass: 4013, OCSFActivity: 3, PII: 0, Note: "also time step, source lost, clock set by user"},
	{Name: TypeTokenCreated, Class: Security, Severity: SeverityLow, Category: "identity", Required: []string{"tokenId", "kind", "scope", "by"}, Row: true, CSF: []string{"PR.AA-01"}, IEC62443: []string{"SR 1.3", "SR 1.5"}, SR28: "AC", OCSFClass: 3004, OCSFActivity: 1, PII: 1, Note: "enrolment or program token"},
	{Name: TypeTokenRevoked, Class: Security, Severity: SeverityLow, Category: "identity", Required: []string{"tokenId", "by"}, Row: true, CSF: []string{"PR.AA-01"}, IEC62443: []string{"SR 1.3"}, SR28: "AC", OCSFClass: 3004, OCSFActivity: 4, PII: 1, Note: ""},
	{Name: TypeTrainingEvent, Class: Security, Severity: SeverityInfo, Category: "compliance", Required: []string{"subject", "course", "result"}, Row: true, CSF: []string{"PR.AT-01", "PR.AT-02"}, IEC62443: []string{"SR 2.8"}, SR28: "AL", OCSFClass: 0, OCSFActivity: 99, PII: 2, Note: ""},
	{Name: TypeUserLockout, Class: Security, Severity: SeverityMedium, Category: "auth", Required: []string{"userId", "attempts", "threshold", "until"}, Row: true, CSF: []string{"PR.AA-03", "DE.CM-03"}, IEC62443: []string{"SR 1.11"}, SR28: "AC", Attack: []string{"T0859"}, OCSFClass: 3001, OCSFActivity: 9, PII: 2, Note: "OCSF 1.9: 3007 Lock"},
	{Name: TypeUserLogin, Class: Security, Severity: SeverityInfo, Category: "auth", Required: []string{"userId", "action", "success", "method"}, Row: true, RequiredType: true, CSF: []string{"PR.AA-03", "DE.CM-03"}, IEC62443: []string{"SR 1.1", "SR 2.8"}, SR28: "AC", Attack: []string{"T0859", "T0812"}, OCSFClass: 3002, OCSFActivity: 1, PII: 2, Note: "device and location expected too; success=false raises to low"},
	{Name: TypeUserLogout, Class: Security, Severity: SeverityInfo, Category: "auth", Required: []string{"userId", "sessionId", "reason"}, Row: true, RequiredType: true, CSF: []string{"PR.AA-03", "DE.CM-03"}, IEC62443: []string{"SR 2.6", "SR 2.8"}, SR28: "AC", OCSFClass: 3002, OCSFActivity: 2, PII: 2, Note: ""},
	{Name: TypeVulnerabilityFound, Class: Security, Severity: SeverityMedium, Category: "asset", Required: []string{"assetId", "cve", "score", "source"}, Row: true, CSF: []string{"ID.RA-01"}, IEC62443: []string{"SR 3.3", "SR 7.8"}, SR28: "OS", Attack: []string{"T0866"}, OCSFClass: 2002, OCSFActivity: 1, PII: 0, Note: ""},
	{Name: TypeWirelessDevice, Class: Security, Severity: SeverityMedium, Category: "auth", Required: []string{"mac", "ssid", "action", "host"}, Row: true, CSF: []string{"PR.AA-03", "DE.CM-01"}, IEC62443: []string{"SR 1.6", "SR 2.2"}, SR28: "AC", Attack: []string{"T0860"}, OCSFClass: 4001, OCSFActivity: 1, PII: 0, Note: ""},
}
