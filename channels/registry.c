#include "channels/driver.h"

#include <string.h>

extern const struct driver aliyun_driver;
extern const struct driver discard_driver;
extern const struct driver display_driver;
extern const struct driver kannel_driver;
extern const struct driver mas_driver;
extern const struct driver mqtt_driver;
extern const struct driver onbon_driver;
extern const struct driver site_driver;
extern const struct driver webhook_driver;
extern const struct driver wechat_driver;
extern const struct driver weibo_driver;

const struct driver *const drivers[] = {
        &aliyun_driver,
        &discard_driver,
        &display_driver,
        &kannel_driver,
        &mas_driver,
        &mqtt_driver,
        &onbon_driver,
        &site_driver,
        &webhook_driver,
        &wechat_driver,
        &weibo_driver,
        NULL,
};

const struct driver *driver_find(const char *name) {
        for (size_t i = 0; drivers[i]; i++)
                if (strcmp(drivers[i]->name, name) == 0)
                        return drivers[i];
        return NULL;
}
