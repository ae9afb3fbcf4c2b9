// Script include "InterlockWebhook" (global scope, not callable by clients): tells Interlock that a record has changed.
//
// A webhook is a hint: Interlock reads the record before it does anything, and asks by itself for what it was not
// told. So this script sends each hint once, does not retry, and never stops a save.
//
// It needs the REST message "Interlock" with the method "hint" (POST) and the property "interlock.webhook.key": the
// webhook secret of Interlock's configuration, in base64.
var InterlockWebhook = Class.create();

InterlockWebhook.prototype = {
    initialize: function () {},

    // A saved change request, or any other task.
    task: function (record, event) {
        this._send({
            event: event,
            table: record.getTableName(),
            sys_id: record.getUniqueValue(),
            number: record.getValue('number'),
            state: record.getValue('state'),
            approval: record.getValue('approval'),
            correlation_id: record.getValue('correlation_id'),
            sys_mod_count: record.getValue('sys_mod_count'),
            sys_updated_on: record.getValue('sys_updated_on')
        });
    },

    // A saved row of sysapproval_approver: Interlock finds the change by `sysapproval`.
    approval: function (record, event) {
        var change = record.sysapproval.getRefRecord();
        this._send({
            event: event,
            table: record.getTableName(),
            sys_id: record.getUniqueValue(),
            sysapproval: record.getValue('sysapproval'),
            number: change.getValue('number'),
            state: record.getValue('state'),
            approval: change.getValue('approval'),
            correlation_id: change.getValue('correlation_id'),
            sys_mod_count: record.getValue('sys_mod_count'),
            sys_updated_on: record.getValue('sys_updated_on')
        });
    },

    _send: function (hint) {
        var body = this._ascii(JSON.stringify(hint));
        try {
            var message = new sn_ws.RESTMessageV2('Interlock', 'hint');
            message.setRequestHeader('Content-Type', 'application/json');
            message.setRequestHeader('X-ServiceNow-Signature', this._sign(body));
            message.setRequestBody(body);
            message.setHttpTimeout(5000);
            var status = message.execute().getStatusCode();
            if (status >= 300) {
                gs.warn('Interlock answered ' + status + ' to a hint of ' + hint.table + ' ' + hint.sys_id);
            }
        } catch (error) {
            gs.warn('Interlock was not told of ' + hint.table + ' ' + hint.sys_id + ': ' + error);
        }
    },

    // The platform takes the key in base64 and gives the digest in base64 (vendor page "CertificateEncryption").
    _sign: function (body) {
        var key = gs.getProperty('interlock.webhook.key');
        return new GlideCertificateEncryption().generateMac(key, 'HmacSHA256', body);
    },

    // What is signed and what is sent must be the same bytes, whatever either takes for the character set.
    _ascii: function (text) {
        return text.replace(/[\u007f-\uffff]/g, function (letter) {
            return '\\u' + ('0000' + letter.charCodeAt(0).toString(16)).slice(-4);
        });
    },

    type: 'InterlockWebhook'
};
