"""Every class that may cross the bus, as an explicit tuple."""

from escalator.objects import (
    alarm,
    base,
    campaign,
    event,
    fault,
    host,
    order,
    preflight,
    service,
    subscription,
)

CLASSES: tuple[type[base.EscalatorObject], ...] = (
    campaign.Campaign,
    campaign.CampaignList,
    campaign.Step,
    campaign.StepList,
    campaign.JournalEntry,
    campaign.JournalList,
    preflight.PreflightReport,
    host.Host,
    host.HostList,
    fault.FaultRecord,
    fault.FaultRecordList,
    subscription.Subscription,
    subscription.SubscriptionList,
    alarm.Alarm,
    alarm.AlarmList,
    alarm.Observation,
    alarm.ObservationList,
    service.Service,
    service.ServiceList,
    order.StepOrder,
    order.StepProbe,
    *event.CLASSES,
)
